import type { HostReport, StepReport } from '../../../common/protocol/agent';
import type { CoreContext, TargetSpec } from '../../core/api';
import { doctor, prepare, unprepare } from '../../core/session/host';
import { EXIT } from '../exit-codes';
import { toJson } from '../json';
import type { Style } from '../style';
import type { ProgressLine, Terminal } from '../terminal';

/** `skua doctor`: exit code 0 when the target is ready (with `undo`: all was undone), 3 when a step needs doing or cannot be done. */
export async function doctorCommandLine(
  target: TargetSpec,
  action: 'check' | 'fix' | 'undo',
  terminal: Terminal,
  progress: ProgressLine,
  context: CoreContext,
): Promise<number> {
  const act = { check: doctor, fix: prepare, undo: unprepare }[action];
  const report = await act(target, context);
  progress.clear();
  if (terminal.json) terminal.print(toJson({ version: 1, report }));
  else for (const line of renderReport(report, terminal.out)) terminal.print(line);
  const good =
    action === 'undo'
      ? report.steps.every((step) => step.undone !== false)
      : report.steps.every((step) => step.state === 'ok' || step.state === 'skipped');
  return good ? EXIT.ok : EXIT.target;
}

/** The report as lines of text. Pure. */
export function renderReport(report: HostReport, style: Style): readonly string[] {
  const lines = [
    `${style.bold(report.hostname)}: ${report.distribution}, Linux ${report.kernelRelease}, ${report.arch}`,
  ];
  for (const step of report.steps) {
    lines.push(`  ${mark(step, style)} ${step.title}: ${step.found}`);
    const remedy = step.remedy ?? step.error?.remedy;
    if (step.state !== 'ok' && remedy !== undefined && remedy !== '') {
      lines.push(`      ${step.state === 'fixable' ? 'can be done by "skua doctor --fix": ' : ''}${remedy}`);
    }
  }
  return lines;
}

function mark(step: StepReport, style: Style): string {
  switch (step.state) {
    case 'ok':
      return style.green('ok     ');
    case 'fixable':
      return style.yellow('to do  ');
    case 'failed':
      return style.red('failed ');
    case 'skipped':
      return style.dim('skipped');
  }
}
