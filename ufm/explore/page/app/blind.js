// Blind descent on the page: its button, its pace, and what it says.

import { draw, el, stage } from './stage.js';
import { Descent, METHODS } from '../panels/descent.js';

const still = matchMedia('(prefers-reduced-motion: reduce)');
export const run = { now: null };
let running = 0;

/** Forget a run: it was of another problem. */
export function stop() {
  cancelAnimationFrame(running);
  running = 0;
  run.now = null;
  el('descent-says').textContent =
    'Press the button: features start at zero, and know nothing of the closed form.';
  for (const place of ['descent-0', 'descent-1', 'descent-chart']) el(place).hidden = true;
  el('descend').textContent = 'Start from zero';
}

function showDescent() {
  for (const figure of run.now.figures()) {
    el(figure.id).hidden = false;
    draw(figure);
  }
  el('descend').textContent = running ? 'Pause' : run.now.done ? 'Again from zero' : 'Go on';
}

/** The button: start, pause, go on. */
export function descend() {
  if (running) {
    cancelAnimationFrame(running);
    running = 0;
    showDescent();
    return;
  }
  if (!run.now || run.now.done || run.now.view.curve !== stage.view.curve) {
    if (stage.view.zero) {
      el('descent-says').textContent = 'W = 0 here: there is nothing to descend to. Lower a penalty first.';
      return;
    }
    run.now = new Descent(stage.view, el('method').value);
  }
  let wait = 0;
  const frame = () => {
    const slow = run.now.method === 'newton';
    if (!slow || wait++ % 12 === 0) {
      // the pace grows with the way behind, so that every decade of steps takes as long
      const begun = performance.now();
      const count = still.matches ? 1e4 : slow ? 1 : Math.max(1, Math.ceil(run.now.steps / 25));
      for (let n = 0; n < count && !run.now.done && performance.now() - begun < 14; n += 10)
        run.now.advance(Math.min(10, count - n));
    }
    if (run.now.done) {
      running = 0;
      el('descent-says').textContent = run.now.said;
      showDescent();
      return;
    }
    showDescent();
    running = requestAnimationFrame(frame);
  };
  el('descent-says').textContent = `${METHODS[run.now.method]} is running.`;
  running = requestAnimationFrame(frame);
}
