/**
 * The one owner of requestAnimationFrame. Whoever wants a frame asks; asking twice before it comes is one frame. The frame callback
 * returns true to get another one.
 */
export class FrameLoop {
  private handle = 0;
  private last = 0;

  constructor(private readonly frame: (nowMs: number, elapsedMs: number) => boolean) {}

  request(): void {
    if (this.handle !== 0) return;
    this.handle = requestAnimationFrame((now) => {
      this.handle = 0;
      // After a pause the first frame must not jump.
      const elapsed = Math.min(50, now - this.last);
      this.last = now;
      if (this.frame(now, elapsed)) this.request();
    });
  }

  stop(): void {
    cancelAnimationFrame(this.handle);
    this.handle = 0;
  }
}
