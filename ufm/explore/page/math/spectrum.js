// Spectra of two Hessians: of the loss in one feature, W held; and in W and the class features at neural collapse.

/** Eigenvalues of a small symmetric matrix (rows), by Jacobi's rotations. */
export function eigenvalues(rows) {
  const A = rows.map((row) => Float64Array.from(row));
  const n = A.length;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) off += A[i][j] ** 2;
    if (!(off > 1e-300)) break;
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) rotate(A, i, j);
  }
  return A.map((row, k) => row[k]).sort((a, b) => a - b);
}

function rotate(A, i, j) {
  if (A[i][j] === 0) return;
  const half = (A[j][j] - A[i][i]) / (2 * A[i][j]);
  const t = (half < 0 ? -1 : 1) / (Math.abs(half) + Math.hypot(half, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  for (let k = 0; k < A.length; k++) {
    const [u, v] = [A[k][i], A[k][j]];
    [A[k][i], A[k][j]] = [c * u - s * v, s * u + c * v];
  }
  for (let k = 0; k < A.length; k++) {
    const [u, v] = [A[i][k], A[j][k]];
    [A[i][k], A[j][k]] = [c * u - s * v, s * u + c * v];
  }
}

/**
 * Of one feature, in units of lambda_H: I + W' S W/lambda_H, S = diag p - p p' (squared error: S = I). On the
 * span of the rows of W that is 1 + a times the spectrum of S off the vector of ones. [[value, multiplicity], ..]
 */
export function featureSpectrum(p, counts, a, K, d, loss) {
  const rest = d - (K - 1);
  const found = rest > 0 ? [[1, rest]] : [];
  if (loss === 'squared-error') return merged([...found, [1 + a, K - 1]]);
  const some = p.map((_, k) => k).filter((k) => counts[k] > 0);
  for (const k of some) if (counts[k] > 1) found.push([1 + a * p[k], counts[k] - 1]);
  const v = some.map((k) => Math.sqrt(counts[k]) * p[k]);
  const S = some.map((k, m) => some.map((_, n) => (m === n ? p[k] : 0) - v[m] * v[n]));
  // the least of these is the zero of S along ones
  for (const value of eigenvalues(S).slice(1)) found.push([1 + a * Math.max(value, 0), 1]);
  return merged(found);
}

/** In W and one feature a class, at the joint optimum of one-hot or smoothed labels: [[value, count, name], ..]. */
export function collapseSpectrum(K, d, lambdaW, lambdaH, smoothing) {
  const c = Math.sqrt(K * lambdaW * lambdaH);
  const share = c + smoothing;
  if (!(share < 1)) return null;
  const spare = d - (K - 1);
  const x = Math.log1p((K * (1 - share)) / share);
  const own = 1 - ((K - 1) * share) / K;
  const s = x * (1 + smoothing / c);
  const norms = (2 * s * ((K - 2) * own + 1 / K)) / (K - 1);
  const means = 1 + (s * (own + (K - 2) / K)) / (K - 1);
  const off = (Math.sqrt(2 * (K - 2)) * s * (K * own - 1)) / (K * (K - 1));
  const block =
    K === 2
      ? [means]
      : eigenvalues([
          [norms, off],
          [off, means],
        ]);
  return [
    [0, ((K - 1) * (K - 2)) / 2 + (K - 1) * spare, 'rotations'],
    [2, (K * (K - 1)) / 2 + (K - 1) * spare, 'scale of a pair'],
    [1, 2 * d - K + 1, 'unseen by logits'],
    [2 * s * own, 1, 'size'],
    [(2 * s) / K, Math.max((K * (K - 3)) / 2, 0), 'angles'],
    [2 + (2 * s) / K, ((K - 1) * (K - 2)) / 2, 'angles, stiff'],
    ...block.map((value) => [value, K - 1, 'norms and means']),
  ]
    .filter(([, count]) => count > 0)
    .sort((a, b) => a[0] - b[0]);
}

/** Equal values together, in rising order. */
function merged(pairs) {
  const found = [];
  for (const [value, count] of pairs.sort((a, b) => a[0] - b[0])) {
    const last = found[found.length - 1];
    if (last && Math.abs(last[0] - value) <= 1e-12 * value) last[1] += count;
    else found.push([value, count]);
  }
  return found;
}
