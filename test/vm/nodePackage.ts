import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REPOSITORY } from './guest';

/** The Node sample as a user's folder is after `npm install`: notes.js, jaeger-client, and Skua's wrapper of it. */
export function nodeSample(folder: string): void {
  cpSync(join(REPOSITORY, 'examples/node-sample/notes.js'), join(folder, 'notes.js'));
  const modules = join(folder, 'node_modules');
  cpSync(join(REPOSITORY, 'clients/node'), join(modules, '@skua/jaeger-client'), { recursive: true });
  copyPackage('jaeger-client', REPOSITORY, modules);
}

/** Copies an installed package and all that it depends on; what each needs lies below it, so that versions cannot meet. */
function copyPackage(name: string, from: string, into: string): void {
  let root = join(from, 'node_modules', name);
  for (let above = from; !existsSync(root); root = join(above, 'node_modules', name)) {
    if (above === dirname(above)) throw new Error(`${name} is not installed.`);
    above = dirname(above);
  }
  const target = join(into, name);
  cpSync(root, target, {
    recursive: true,
    filter: (path) => !path.slice(root.length).includes('node_modules'),
  });
  const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  for (const dependency of Object.keys(dependencies))
    copyPackage(dependency, root, join(target, 'node_modules'));
}
