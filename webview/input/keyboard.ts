/** Keys → commands. A key the timeline handles goes no further: VS Code would run the same command a second time. */
import { commandForKey, type TimelineCommandId } from '../../common/view/commands';

/** Commands whose keys also work while a text field has the focus. */
const EVERYWHERE: ReadonlySet<TimelineCommandId> = new Set([
  'skua.timeline.search',
  'skua.timeline.nextMatch',
  'skua.timeline.previousMatch',
]);

export interface KeyContext {
  /** The timeline itself has the keyboard, not a text field, button or table. */
  readonly onStage: boolean;
  readonly inTextField: boolean;
}

/** Decides what a key does; undefined leaves it to the browser and VS Code. Pure. */
export function keyCommand(
  event: Pick<KeyboardEvent, 'code' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>,
  context: KeyContext,
): TimelineCommandId | undefined {
  const command = commandForKey(event);
  if (command === undefined || context.onStage) return command;
  const modified = event.ctrlKey || event.metaKey || /^F\d+$/.test(event.code);
  return EVERYWHERE.has(command) && modified ? command : undefined;
}

export function isTextField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    /^(INPUT|TEXTAREA|SELECT|VSCODE-TEXT-FIELD|VSCODE-DROPDOWN)$/.test(target.tagName)
  );
}

export function listenToKeys(
  root: HTMLElement,
  stage: HTMLElement,
  run: (command: TimelineCommandId, event: KeyboardEvent) => boolean,
): void {
  root.ownerDocument.addEventListener('keydown', (event) => {
    const inTextField = isTextField(event.target);
    const onStage = event.target === stage || event.target === root.ownerDocument.body;
    const command = keyCommand(event, { onStage, inTextField });
    if (command !== undefined && run(command, event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    // Plain keys typed into a field are text, never a shortcut of VS Code.
    if (inTextField && !event.ctrlKey && !event.metaKey && !event.altKey && event.key.length === 1)
      event.stopPropagation();
  });
}
