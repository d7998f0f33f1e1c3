// Relative links of Markdown files: to files that are there, and to headings that are there.  usage: node tools/markdown-links.mjs FILE.md…
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * "file:line: target" for each link or picture of `files` (paths relative to the current folder) that leads nowhere. `exists` says
 * whether a path, relative as well, is there. Links with a scheme are not followed.
 */
export function brokenLinks(files, exists = existsSync) {
  const broken = [];
  for (const file of files) {
    for (const { target, line } of links(readFileSync(file, 'utf8'))) {
      const [path, anchor] = target.split('#');
      const to = path === '' ? file : posix.join(posix.dirname(file), decodeURI(path)).replace(/\/$/, '');
      const there =
        exists(to) && (anchor === undefined || !to.endsWith('.md') || headings(to).includes(anchor));
      if (!there) broken.push(`${file}:${line}: ${target}`);
    }
  }
  return broken;
}

/** Inline links, pictures and reference definitions outside of code. */
function links(markdown) {
  const found = [];
  proseLines(markdown).forEach((text, index) => {
    const inline = text.matchAll(/\]\(<?([^\s()<>]+(?:\([^\s()]*\))?)>?(?:\s+"[^"]*")?\)/g);
    const definition = /^\[[^\]^]+\]:\s*(\S+)/.exec(text);
    for (const [, target] of [...inline, ...(definition === null ? [] : [definition])]) {
      if (!/^[a-z][a-z0-9+.-]*:/i.test(target)) found.push({ target, line: index + 1 });
    }
  });
  return found;
}

/** The anchors that GitHub and VS Code make of a file's headings. */
function headings(file) {
  const seen = new Map();
  return proseLines(readFileSync(file, 'utf8'), true).flatMap((text) => {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1];
    if (heading === undefined) return [];
    const slug = heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return [count === 0 ? slug : `${slug}-${count}`];
  });
}

/** Lines with code emptied, so that line numbers stay. */
function proseLines(markdown, keepInlineCode = false) {
  let fence;
  return markdown.split('\n').map((text) => {
    const mark = /^\s*(```+|~~~+)/.exec(text)?.[1];
    if (fence === undefined && mark !== undefined) fence = mark;
    else if (fence !== undefined) {
      if (mark?.startsWith(fence)) fence = undefined;
    } else return keepInlineCode ? text : text.replace(/`[^`]*`/g, '');
    return '';
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const broken = brokenLinks(process.argv.slice(2));
  for (const link of broken) console.error(`${link} leads nowhere`);
  process.exitCode = broken.length > 0 ? 1 : 0;
}
