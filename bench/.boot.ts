import { openBenchGuest } from './lab/guest';
import { installTracers } from './lab/tracers';
const t = Date.now();
async function main() {
  for (const kind of ['instructions', 'time'] as const) {
    const g = await openBenchGuest(kind);
    console.log('up', Date.now() - t);
    const tr = await installTracers(g);
    console.log('tracers', Date.now() - t);
    const r = await g.run(
      `${tr.perf} true; ${tr.bpftrace('true')}; cat /sys/devices/system/clocksource/clocksource0/current_clocksource`,
    );
    console.log(r);
    console.log(Date.now() - t);
  }
}
void main();
