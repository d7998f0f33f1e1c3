/**
 * Every command of the extension, once. A unit test compares this list and the timeline's (common/view/commands.ts) with package.json, so
 * that none is contributed without a handler or the other way round.
 */
export const COMMANDS = {
  run: 'skua.run',
  openTrace: 'skua.openTrace',
  openSample: 'skua.openSample',
  showLog: 'skua.showLog',
  openSettings: 'skua.openSettings',
  openWalkthrough: 'skua.openWalkthrough',
  toggleLineAnnotations: 'skua.toggleLineAnnotations',
  showSpanInTimeline: 'skua.showSpanInTimeline',
  targetsRefresh: 'skua.targets.refresh',
  targetsAdd: 'skua.targets.add',
  targetsRemove: 'skua.targets.remove',
  targetsSetDefault: 'skua.targets.setDefault',
  targetsDoctor: 'skua.targets.doctor',
  targetsShell: 'skua.targets.shell',
  targetsUnprepare: 'skua.targets.unprepare',
  targetsRemoveAgent: 'skua.targets.removeAgent',
  sandboxStart: 'skua.sandbox.start',
  sandboxStop: 'skua.sandbox.stop',
  sandboxReset: 'skua.sandbox.reset',
  tracesRefresh: 'skua.traces.refresh',
  tracesOpen: 'skua.traces.open',
  tracesRename: 'skua.traces.rename',
  tracesDelete: 'skua.traces.delete',
  tracesExportOtlp: 'skua.traces.exportOtlp',
  tracesOpenFolder: 'skua.traces.openFolder',
  sessionsStop: 'skua.sessions.stop',
  sessionsShow: 'skua.sessions.show',
  timelineSaveAs: 'skua.timeline.saveAs',
  timelineExportOtlp: 'skua.timeline.exportOtlp',
  timelineStop: 'skua.timeline.stop',
} as const;

/** Custom editor of `.skua` files, and the panels of live runs. */
export const VIEW_TYPE = { traceEditor: 'skua.trace', timelinePanel: 'skua.timeline' } as const;

/** Context keys for `when` clauses. */
export const CONTEXT = {
  /** The timeline in front belongs to a run that is not over. */
  timelineLive: 'skua.timeline.live',
  /** The keyboard is in the rows of a timeline, not in one of its inputs. */
  timelineFocus: 'skua.timelineFocus',
  sandboxRunning: 'skua.sandboxRunning',
  hasTraces: 'skua.hasTraces',
  sourceOpened: 'skua.sourceOpened',
} as const;
