// Serves VS Code in the browser with this checkout's extension until Ctrl-C.
// usage: node tools/editor/serve.mjs --workspace DIR [--open FILE] [--port N] [--data DIR]
import { createRequire } from 'node:module';
import { register } from 'tsx/cjs/api';

register();
const require = createRequire(import.meta.url);
const { main } = require('./serve.ts');
await main(process.argv.slice(2));
