import { expect, it } from 'vitest';
import { timelineHtml } from './html';

it('allows nothing inline and escapes what it is given', () => {
  const html = timelineHtml({
    cspSource: 'vscode-webview:',
    nonce: 'abc',
    scriptUri: 'a.js',
    styleUri: 'a.css',
    title: '<b>"x"</b>',
  });
  expect(html).toContain('default-src &#39;none&#39;');
  expect(html).toContain('nonce="abc"');
  expect(html).not.toMatch(/unsafe|<b>|style="|onload/);
});
