export const target: string;
export function generate(): string;
