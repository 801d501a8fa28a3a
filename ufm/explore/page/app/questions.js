// Three questions that a reader brings, each answered with the numbers on the page and a state to look at.

import { bowing } from '../panels/channel.js';
import { rich, say } from '../figures/format.js';

export const QUESTIONS = [
  {
    title: 'What is the channel?',
    state: {
      law: 'mixup',
      K: 10,
      alpha: 1,
      loss: 'cross-entropy',
      classifier: 'best',
      lw: 5e-4,
      lh: 5e-4,
      smoothing: 0,
      lam: 0.3,
    },
    words: (view) =>
      'A network turns an input into a feature h and reads it by a classifier W. Train it on mixtures, λ of class 1 and 1 − λ of ' +
      'class 2, and ask for the best features there are: each λ has one, and together they are a curve from class 2 to class 1. ' +
      `That curve is the channel (blue). Drag λ and the ring runs along it; now λ = ${say(view.state.lam)}, and h = ${say(view.coef[0])} w₁ + ${say(view.coef[1])} w₂.`,
  },
  {
    title: 'Why does cross-entropy bend it, and squared error not?',
    state: {
      law: 'mixup',
      K: 10,
      alpha: 1,
      loss: 'cross-entropy',
      classifier: 'best',
      lw: 5e-4,
      lh: 5e-4,
      smoothing: 0,
      lam: 0.5,
    },
    words: (view) => {
      const bow = bowing(view);
      return (
        'Squared error asks the logits to be the label: twice the label, twice the logit, so mixed features are convex combinations of ' +
        'the ends (green). Cross-entropy asks the probabilities to be the label, and logits are logarithms of probabilities. In the middle ' +
        'both classes need a probability near ½ and all others next to none, so both logits stay high above the rest, though each label has ' +
        `only half a share. The sum of the two does not shrink to what a straight line would have: ${bow === null ? 'with two classes there is no rest, and no bow' : `it is ${say(bow, 3)} times that at λ = ½`}. ` +
        'With a weak classifier (a below about 2: raise a penalty) the bow goes away.'
      );
    },
  },
  {
    title: 'What happens at the threshold?',
    state: {
      law: 'mixup',
      K: 10,
      alpha: 1,
      loss: 'cross-entropy',
      classifier: 'best',
      lw: 0.25,
      lh: 0.25,
      smoothing: 0,
      lam: 0.5,
    },
    words: (view) => {
      const best = view.state.classifier === 'best';
      return (
        `Penalties pull W and h to zero, the loss pulls them apart. If λ_W λ_H reaches σ² = ${say(view.sigma2)}, a number of the labels alone, the penalties ` +
        'win everywhere: the best W is exactly zero and so is every feature. Just below it all of them come back, small and nearly straight, ' +
        `in the form of a simplex ETF. ${best ? `Here λ_W λ_H = ${say(view.c2)}, ${say(view.c2 / view.sigma2, 3)} of the threshold. ` : ''}` +
        'Drag the ring in the phase diagram across the orange line and watch all pictures go to zero.'
      );
    },
  },
];

export function questions(place, apply) {
  place.innerHTML = QUESTIONS.map(
    ({ title }, n) =>
      `<details name="question"><summary>${title}</summary><p data-n="${n}"></p><button type="button" data-n="${n}" aria-label="Show me: ${title}">Show me</button></details>`,
  ).join('');
  place.addEventListener('click', (event) => {
    if (event.target.tagName === 'BUTTON') apply(QUESTIONS[event.target.dataset.n].state);
  });
  return (view) => {
    for (const paragraph of place.querySelectorAll('details[open] p')) {
      const words = rich(QUESTIONS[paragraph.dataset.n].words(view));
      if (paragraph.innerHTML !== words) paragraph.innerHTML = words;
    }
  };
}
