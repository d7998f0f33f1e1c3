/** Files that tests take in as text (a feature of Vite, which runs them). */
declare module '*.txt?raw' {
  const text: string;
  export default text;
}
