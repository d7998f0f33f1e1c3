/** Entry point of the timeline's webview. */
import { TimelineApp } from './app';
import { registerControls } from './controls';
import { connectHost } from './host-link';

const root = document.getElementById('root');
if (!root) throw new Error('The document has no element "root".');
registerControls();
const link = connectHost();
const report = (message: string, detail: string) => {
  link.post({ type: 'problem', message, detail });
};
window.addEventListener('error', (event) => {
  report(event.message, event.error instanceof Error ? (event.error.stack ?? '') : '');
});
window.addEventListener('unhandledrejection', (event) => {
  report('Unhandled rejection', String(event.reason));
});
new TimelineApp(root, link);
