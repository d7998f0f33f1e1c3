// Serves the timeline's real bundle on a page with made-up spans.  usage: node tools/webview-dev.mjs [--port N] [--minify]
// Then open http://127.0.0.1:PORT/?theme=dark&data=demo (options: see webview/dev/dev.ts). Prints the address when ready.
import { build } from 'esbuild';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const FILES = {
  '/timeline.js': 'text/javascript',
  '/timeline-style.css': 'text/css',
  '/dev.js': 'text/javascript',
};

/** Bundles and serves; resolves to { url, sizes, close }. `port` 0 takes a free one. */
export async function serveWebview({ port = 0, minify = false } = {}) {
  const bundle = await build({
    bundle: true,
    write: false,
    minify,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    logLevel: 'warning',
    outdir: 'out',
    entryPoints: {
      timeline: 'webview/main.ts',
      'timeline-style': 'webview/timeline.css',
      dev: 'webview/dev/dev.ts',
    },
  });
  const html = await build({
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
    entryPoints: ['common/view/html.ts'],
  });
  const source = Buffer.from(html.outputFiles[0].contents).toString('base64');
  const { timelineHtml } = await import(`data:text/javascript;base64,${source}`);
  const contents = new Map(
    bundle.outputFiles.map((file) => [`/${file.path.split('/').pop()}`, file.contents]),
  );
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://127.0.0.1').pathname;
    if (path === '/') {
      const nonce = randomBytes(16).toString('hex');
      const page = timelineHtml({
        cspSource: "'self'",
        nonce,
        scriptUri: '/timeline.js',
        styleUri: '/timeline-style.css',
        title: 'Timeline',
      });
      response.setHeader('content-type', 'text/html');
      // The stand-in for VS Code comes before the bundle, under the same policy.
      response.end(
        page.replace('<div id="root">', `<script nonce="${nonce}" src="/dev.js"></script><div id="root">`),
      );
      return;
    }
    const file = contents.get(path);
    response.statusCode = file ? 200 : 404;
    response.setHeader('content-type', FILES[path] ?? 'text/plain');
    response.end(file ?? 'not found');
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    sizes: Object.fromEntries([...contents].map(([path, bytes]) => [path, bytes.length])),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const at = process.argv.indexOf('--port');
  serveWebview({
    port: at < 0 ? 8123 : Number(process.argv[at + 1]),
    minify: process.argv.includes('--minify'),
  }).then(
    ({ url, sizes }) => console.log(url, sizes),
    (error) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}
