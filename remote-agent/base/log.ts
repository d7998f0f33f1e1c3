export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Where the agent's parts report what they do. The agent sends it to the client; nothing goes to stdout. */
export type Log = (level: LogLevel, message: string) => void;
