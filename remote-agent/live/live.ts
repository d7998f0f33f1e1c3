import type { OpenLive } from '../session/liveSource';
/** Replaced by H3's reader in a moment. */
export const openLive: OpenLive = async function* ({ signal }) {
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  yield { items: [] };
};
