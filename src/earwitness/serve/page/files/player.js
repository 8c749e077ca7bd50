// Plays a recording of this tab from any place, and says where it is.

export class Player {
  constructor(file, tell) {
    this.tell = tell;
    this.address = URL.createObjectURL(file);
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.ready = new Promise((resolve) => {
      this.audio.addEventListener("loadedmetadata", () => resolve(true), { once: true });
      this.audio.addEventListener("error", () => resolve(false), { once: true });
    });
    this.audio.src = this.address;
    for (const name of ["play", "pause", "ended", "seeked"]) this.audio.addEventListener(name, () => this.follow());
  }

  get time() {
    return this.audio.currentTime;
  }

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }

  follow() {
    cancelAnimationFrame(this.frame);
    this.tell(this.time, this.playing);
    if (this.playing) this.frame = requestAnimationFrame(() => this.follow());
  }

  seek(seconds) {
    this.audio.currentTime = seconds;
    this.tell(seconds, this.playing);
  }

  async play(from) {
    if (from !== undefined) this.audio.currentTime = from;
    await this.audio.play().catch(() => {});
  }

  pause() {
    this.audio.pause();
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
    URL.revokeObjectURL(this.address);
  }
}
