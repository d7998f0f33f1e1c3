/** What the traced program's environment means for a session: where its clients report to, and which calls stay invisible. */
import { readFile } from 'node:fs/promises';

/** Clock sources that user space can read by itself (Linux's arch/x86 vdso clock modes). */
const VDSO_CLOCK_SOURCES: ReadonlySet<string> = new Set(['tsc', 'kvm-clock', 'hyperv_clocksource_tsc_page']);

/** Which library calls never enter the kernel on a host with this clock source. */
export function vdsoNote(clockSource: string): string {
  const remedy = 'Launch with "vdsoSyscalls" (--vdso-syscalls) to make them real ones.';
  return VDSO_CLOCK_SOURCES.has(clockSource)
    ? `gettimeofday, clock_gettime, time and getcpu are answered by the vDSO in user space and never enter the kernel, so they are not system calls here. ${remedy}`
    : `time, getcpu and clock_gettime of coarse clocks are answered by the vDSO in user space and never enter the kernel, so they are not system calls here. gettimeofday and clock_gettime of other clocks are: the clock source of this host (${clockSource || 'unknown'}) cannot be read from user space. ${remedy}`;
}

export async function clockSource(): Promise<string> {
  const file = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
  return (await readFile(file, 'utf8').catch(() => '')).trim();
}

/** Points tracing clients at the receivers. What the user has set for sampling stays. */
export function clientEnvironment(
  jaegerPort: number,
  otlpPort: number,
  user: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const defaults: Record<string, string> = {
    JAEGER_SAMPLER_TYPE: 'const',
    JAEGER_SAMPLER_PARAM: '1',
    OTEL_BSP_SCHEDULE_DELAY: '200',
  };
  if (user['JAEGER_SAMPLER_TYPE'] !== undefined) {
    delete defaults['JAEGER_SAMPLER_TYPE'];
    delete defaults['JAEGER_SAMPLER_PARAM'];
  }
  if (user['OTEL_BSP_SCHEDULE_DELAY'] !== undefined) delete defaults['OTEL_BSP_SCHEDULE_DELAY'];
  return {
    ...defaults,
    JAEGER_AGENT_HOST: '127.0.0.1',
    JAEGER_AGENT_PORT: String(jaegerPort),
    SKUA_JAEGER_AGENT: `127.0.0.1:${jaegerPort}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${otlpPort}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${otlpPort}/v1/traces`,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
    OTEL_TRACES_EXPORTER: 'otlp',
  };
}
