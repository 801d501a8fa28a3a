// A network's file on the page: dropped or chosen, read here, held against the theory.

import { readNpz } from './npz.js';
import { allowed } from './state.js';
import { el, stage } from './stage.js';
import { escape, say } from '../figures/format.js';
import { KEYS, measured, recorded } from '../panels/network.js';

/** Read a file, say what is found, and set the controls to it. */
async function takeFile(file, change) {
  const says = el('network-says');
  try {
    const json = file.name.endsWith('.json');
    const found = json
      ? recorded(JSON.parse(await file.text()))
      : measured(await readNpz(await file.arrayBuffer(), KEYS));
    stage.network = found;
    says.innerHTML = networkWords(file.name, found, json);
    const near = {
      K: found.K,
      classifier: 'given',
      m: Number(found.m.toPrecision(12)),
      lh: Number(found.lambdaH.toPrecision(12)),
      law: 'mixup',
      smoothing: 0,
      loss: 'cross-entropy',
      d: null,
    };
    for (const name of ['K', 'm', 'lh']) near[name] = allowed(name, near[name], stage.state);
    change(near);
  } catch (error) {
    stage.network = null;
    says.textContent = `${file.name}: ${error.message}`;
    change({});
  }
}

function networkWords(name, found, json) {
  const how = found.known ? 'of its λ_H, nothing fitted' : 'fitted to its logits';
  const rows =
    found.count === found.total
      ? `${found.total} rows`
      : `${found.count} of ${found.total} rows, evenly chosen`;
  const verdicts = found.verdicts
    .map(
      ({ name: one, words, value, word }) =>
        `<tr><th scope="row">${escape(one)}</th><td>${say(value, 3)}</td><td ` +
        `class="${word.replaceAll(' ', '-')}">${escape(word)}</td><td>${escape(words)}</td></tr>`,
    )
    .join('');
  const limits = json
    ? escape(found.headline ?? '')
    : `Three statements, without intervals; all of them: <code>python -m ufm.compare ${escape(name)}</code>`;
  return (
    `<p><strong>R² ${say(found.r2)}</strong> of the closed form at a = ${say(found.a)}, ${how}; ` +
    `${say(found.linear)} of the straight line. ` +
    `${escape(name)}: K = ${found.K}, d = ${found.d}, ${rows}. The controls now show its K, m and a; its ` +
    `features are the pink points.</p>` +
    `<div class="wide"><table class="verdicts"><thead><tr><th scope="col">statement</th><th ` +
    `scope="col">value</th><th scope="col">verdict</th><th scope="col">asked ` +
    `for</th></tr></thead><tbody>${verdicts}</tbody></table></div><p class="small">${limits}</p>`
  );
}

/** Files that are dropped anywhere, or chosen. */
export function dropping(change) {
  const zone = el('drop');
  for (const name of ['dragenter', 'dragover']) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add('over');
    });
  }
  document.addEventListener('dragleave', () => zone.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    if (event.dataTransfer.files.length) takeFile(event.dataTransfer.files[0], change);
  });
  el('file').addEventListener(
    'change',
    (event) => event.target.files.length && takeFile(event.target.files[0], change),
  );
  el('forget').addEventListener('click', () => {
    stage.network = null;
    el('network-says').textContent = '';
    el('file').value = '';
    change({});
  });
}
