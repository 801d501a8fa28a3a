// Questions that a reader brings, each answered with the numbers on the page, and shown as they move.

import { el, stage } from './stage.js';
import { bowing } from '../panels/channel.js';
import { rich, say } from '../figures/format.js';

const PLAIN = {
  law: 'mixup',
  K: 10,
  alpha: 1,
  loss: 'cross-entropy',
  classifier: 'best',
  lw: 5e-4,
  lh: 5e-4,
  smoothing: 0,
  lam: 0.3,
};
const SECONDS = 4; // of what is shown
const still = matchMedia('(prefers-reduced-motion: reduce)');

/** From one number to another by equal factors. */
const between = (low, high, share) => Number((low * (high / low) ** share).toPrecision(4));

const QUESTIONS = [
  {
    title: 'What is the channel?',
    play: (share) => ({ ...PLAIN, lam: Number((1 - share).toFixed(3)) }),
    words: (view) => [
      'A network turns an input into a feature h, and a classifier W reads it: logit k is w_k · h. Train',
      'it on mixtures, λ of class 1 and 1 − λ of class 2, and ask for the best features there are, those',
      'of least loss plus penalties: each λ has one, and together they are a curve from class 2 (λ = 0)',
      'to class 1 (λ = 1). That curve is the channel, thick and blue; those of other pairs of classes are',
      'thin. Drag λ and the ring runs',
      `along it. Now λ = ${say(view.state.lam)}, and h = ${say(view.coef[0])} w₁ + ${say(view.coef[1])} w₂.`,
    ],
  },
  {
    title: 'Why does cross-entropy bend it, and squared error not?',
    play: (share) => ({ ...PLAIN, lam: 0.5, lw: between(0.2, 5e-4, share), lh: between(0.2, 5e-4, share) }),
    words: (view) => {
      const bow = bowing(view);
      const now = view.zero
        ? 'Now W = 0, and there is no channel.'
        : bow === null
          ? 'With two classes there is no rest, and no bow.'
          : `Now it is ${say(bow, 3)} times the chord.`;
      const green = view.loss !== 'squared-error' && view.K !== 2 && view.K !== 4 ? ', the green triangle,' : '';
      return [
        'Squared error asks the logits to be the label (λ, 1 − λ, 0, …): half the share, half the logit. So',
        `mixed features are convex combinations of the ends: the channel${green} is straight, and small, as`,
        'logits need only be as large as a share. Cross-entropy asks the softmax of the logits to be the',
        'label, so logits go with logarithms of shares: half the share takes only about log 2 from a logit.',
        'Half-way, both classes can stand nearly as far above the rest as one class does at an end; on the',
        'straight line they would stand half as far. So the curve bows out, the more the stronger the',
        'classifier is against the penalties (a).',
        now,
      ];
    },
  },
  {
    title: 'What happens at the threshold?',
    play: (share) => ({ ...PLAIN, lam: 0.5, lh: 0.25, lw: between(0.02, 0.3, share) }),
    words: (view) => {
      const here =
        `Here λ_W λ_H = ${say(view.c2)}, ${say(view.c2 / view.sigma2, 3)} of the threshold. Raise both` +
        ' penalties beside the picture: it shrinks to a point, and the ring of the phase diagram crosses the line.';
      return [
        'Penalties pull W and h to zero, the loss pulls them apart. It is the product of the penalties that',
        `matters, as W can grow while h shrinks. Where λ_W λ_H reaches σ² = ${say(view.sigma2)}, a number of`,
        'the labels alone, the penalties win everywhere: the best W is exactly zero, and so is every feature.',
        'Just below it all classes come back at once, small and nearly straight, as a simplex ETF: rows of W',
        'of one length and as far apart as they can be.',
        view.state.classifier === 'best' ? here : 'A given W has no threshold: choose the joint optimum.',
      ];
    },
  },
  {
    title: 'What do a, m and the other numbers mean?',
    words: () => [
      'a, the sharpness: m² K/((K − 1) λ_H), the classifier’s strength against the penalty on features.',
      'Logits z depend on it and on the label y alone, and the larger it is, the nearer the probabilities',
      'come to the label: y − p = z/a. m, the row norm: the length of each w_k. σ²: the threshold, see',
      'above. Bow: how far the middle of the channel lies out along w₁ + w₂, as a multiple of the straight',
      'line between two classes. ‖h‖ of one class: the length of the feature of an unmixed input. Joint',
      'optimum: W and all features are chosen together, by λ_W and λ_H; given W: only the features are.',
    ],
  },
];

/** Build them; apply(part) changes the state. Returns show(view). */
export function questions(place, apply) {
  place.innerHTML = QUESTIONS.map(
    ({ title, play }, n) =>
      `<details name="question"><summary>${title}</summary><p data-n="${n}"></p>` +
      (play ? `<button type="button" data-n="${n}" aria-label="Show me: ${title}">Show me</button>` : '') +
      '</details>',
  ).join('');
  place.addEventListener('click', (event) => {
    if (event.target.tagName === 'BUTTON') shown(QUESTIONS[event.target.dataset.n].play, apply);
  });
  for (const kind of ['pointerdown', 'keydown', 'wheel'])
    document.addEventListener(kind, halt, { passive: true });
  return (view) => {
    for (const paragraph of place.querySelectorAll('details[open] p')) {
      const words = rich(QUESTIONS[paragraph.dataset.n].words(view).filter(Boolean).join(' '));
      if (paragraph.innerHTML !== words) paragraph.innerHTML = words;
    }
  };
}

let playing = 0;

/** Any touch of the page ends what is shown, where it is. */
function halt() {
  if (playing) stage.held = false;
  cancelAnimationFrame(playing);
  playing = 0;
}

/** The state from share 0 to 1 in some seconds; at once at the end for who wants no motion. */
function shown(play, apply) {
  halt();
  el('channel').scrollIntoView({ block: 'nearest' });
  if (still.matches) {
    apply(play(1));
    return;
  }
  const begun = performance.now();
  const frame = (now) => {
    const share = Math.max(0, Math.min(1, (now - begun) / (1000 * SECONDS)));
    stage.held = share > 0 && share < 1; // a frame that does not shrink
    apply(play(share));
    playing = share < 1 ? requestAnimationFrame(frame) : 0;
  };
  playing = requestAnimationFrame(frame);
}
