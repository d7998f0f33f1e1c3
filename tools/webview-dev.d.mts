export interface ServedWebview {
  /** Address of the page, ends with a slash; options follow as a query (webview/dev/dev.ts). */
  readonly url: string;
  /** Bytes of each file served. */
  readonly sizes: Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export function serveWebview(options?: {
  readonly port?: number;
  readonly minify?: boolean;
}): Promise<ServedWebview>;
