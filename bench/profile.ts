/**
 * Where the instructions of a system call go: perf's sampling clock under `-icount` ticks with instructions, so that its shares are
 * shares of instructions, of the kernel, its modules and the program alike.
 */
import { BENCH, loadModules, openBenchGuest } from './lab/guest';
import { mountTracers } from './lab/tracers';

const PERF = 'record -q -o /tmp/perf.data -e cpu-clock -F 20000';

/**
 * While a Skua session runs. `web`: of the web server (bench/guest/webserver.cpp), one request in a thousand sampled; else of the write
 * loop (bench/guest/writes.cpp) in that mode, one byte to /dev/null. Prints perf's report.
 */
export async function profile(mode: string): Promise<void> {
  const guest = await openBenchGuest('instructions');
  const { perf } = await mountTracers(guest);
  await guest.must(loadModules('skua'));
  const program = `${BENCH}/writes ${mode} /dev/null 1`;
  const load = (requests: number): string =>
    `${BENCH}/load 8080 10 ${requests} $(cat ${BENCH}/webserver.pid)`;
  const work =
    mode === 'web'
      ? `${BENCH}/serve.sh start jaeger 1000 && ${load(100)} >/dev/null
${perf} ${PERF} -p $(cat ${BENCH}/webserver.pid) -- ${load(5000)}
${BENCH}/serve.sh stop`
      : `${program} 1 >/dev/null
${perf} ${PERF} ${program} 30`;
  const report = await guest.must(
    `${BENCH}/session.sh start skua-profile >/dev/null
${work}
${BENCH}/session.sh stop skua-profile
${perf} report -i /tmp/perf.data --stdio --sort sym 2>/dev/null | grep -v '^#' | head -60`,
  );
  await guest.close();
  process.stdout.write(report);
}
