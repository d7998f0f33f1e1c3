/**
 * The one owner of requestAnimationFrame. Whoever wants a frame asks; asking twice before it comes is one frame. The frame callback
 * returns after how many milliseconds it wants another one: 0 for the next that the display offers, undefined for none.
 */
export class FrameLoop {
  private handle = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  constructor(private readonly frame: (nowMs: number, elapsedMs: number) => number | undefined) {}

  request(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.handle !== 0) return;
    this.handle = requestAnimationFrame((now) => {
      this.handle = 0;
      // After a pause the first frame must not jump.
      const elapsed = Math.min(50, now - this.last);
      this.last = now;
      const delay = this.frame(now, elapsed);
      if (delay === 0) this.request();
      // Somebody may have asked while it was drawn.
      else if (delay !== undefined && !this.isRequested())
        this.timer = setTimeout(() => this.request(), delay);
    });
  }

  stop(): void {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.handle);
    this.handle = 0;
  }

  private isRequested(): boolean {
    return this.handle !== 0;
  }
}
