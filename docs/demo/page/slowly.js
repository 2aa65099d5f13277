// What is read rather than watched is drawn a few times a second, and not all of it in one frame.

// A frame begins no more of it once so much of its time is gone.
const BUDGET_MS = 2;

export class Slowly {
  #tasks;
  #every_ms;
  #next = 0;

  /** Runs each of `tasks` once in `every_ms`. */
  constructor(tasks, every_ms) {
    this.#tasks = tasks.map((run) => ({ run, due_ms: 0 }));
    this.#every_ms = every_ms;
  }

  /** Runs what is due at `now_ms`, as far as there is time; calls each with `argument`. */
  run(now_ms, argument) {
    const began_ms = performance.now();
    for (let i = 0; i < this.#tasks.length; i += 1) {
      const task = this.#tasks[this.#next];
      if (task.due_ms > now_ms) return;
      task.due_ms = now_ms + this.#every_ms;
      this.#next = (this.#next + 1) % this.#tasks.length;
      task.run(argument);
      if (performance.now() - began_ms > BUDGET_MS) return;
    }
  }
}
