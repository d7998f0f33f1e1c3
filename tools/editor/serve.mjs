// Serves VS Code in the browser with this checkout's extension until Ctrl-C.
// usage: node tools/editor/serve.mjs --workspace DIR [--open FILE] [--port N] [--data DIR]
import { register } from 'tsx/esm/api';

register();
const { main } = await import('./serve.ts');
await main(process.argv.slice(2));
