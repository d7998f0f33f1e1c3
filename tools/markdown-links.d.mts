export function brokenLinks(files: readonly string[], exists?: (path: string) => boolean): readonly string[];
