/** The way to the extension host, and what is kept for the next life of this document. */
import type { HostToWebview, WebviewToHost } from '../common/view/protocol';
import type { ViewState } from './view-state';

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

export interface HostLink {
  post(message: WebviewToHost): void;
  onMessage(receive: (message: HostToWebview) => void): void;
  savedState(): unknown;
  /** `host`: what the extension host asked to keep (`init.persist`). */
  save(state: ViewState, host: unknown): void;
}

export function connectHost(): HostLink {
  const api = acquireVsCodeApi();
  return {
    post(message) {
      api.postMessage(message);
    },
    onMessage(receive) {
      window.addEventListener('message', (event: MessageEvent<unknown>) => {
        const { data } = event;
        if (typeof data === 'object' && data !== null && 'type' in data) receive(data as HostToWebview);
      });
    },
    savedState: () => api.getState(),
    save(state, host) {
      api.setState({ ...state, host });
    },
  };
}
