/**
 * Where the instructions of a system call go: perf's sampling clock under `-icount` ticks with instructions, so that its shares are
 * shares of instructions, of the kernel, its modules and the program alike.
 */
import { BENCH, loadModules, openBenchGuest } from './lab/guest';
import { mountTracers } from './lab/tracers';

/** Of the write loop (bench/guest/writes.cpp) with one byte to /dev/null, while a Skua session runs. Prints perf's report. */
export async function profile(mode: string): Promise<void> {
  const guest = await openBenchGuest('instructions');
  const { perf } = await mountTracers(guest);
  await guest.must(loadModules('skua'));
  const program = `${BENCH}/writes ${mode} /dev/null 1`;
  const report = await guest.must(
    `${BENCH}/session.sh start skua-profile >/dev/null && ${program} 1 >/dev/null
${perf} record -q -o /tmp/perf.data -e cpu-clock -F 20000 ${program} 30
${BENCH}/session.sh stop skua-profile
${perf} report -i /tmp/perf.data --stdio --sort sym 2>/dev/null | grep -v '^#' | head -60`,
  );
  await guest.close();
  process.stdout.write(report);
}
