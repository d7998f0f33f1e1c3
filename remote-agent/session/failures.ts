/** Why a session ends before it was asked to. */
import { SkuaError } from '../../common/base/errors';

export function relaydDied(said: string): SkuaError {
  return new SkuaError({
    code: 'relayd-failed',
    message: 'The LTTng relay daemon ended in the middle of the session.',
    remedy:
      'What was recorded until then is shown. Check free disk space and memory on the target, then run again.',
    detail: said,
  });
}

export function streamEnded(): SkuaError {
  return new SkuaError({
    code: 'live-stream-truncated',
    message: 'The live stream of kernel events ended before the session did.',
    remedy:
      'Somebody destroyed the LTTng session, or its daemon ended. What was recorded until then is shown; run again.',
  });
}
