// Numbers in words: as many digits as asked for, no more than there are, tens as powers.

const UP = { 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹', '-': '⁻' };

export function power(n) {
  return [...String(n)].map((sign) => UP[sign]).join('');
}

/** 1234.5 -> 1234 or 1.234·10⁵; zero is 0, and nothing that is not zero looks like it. */
export function say(x, digits = 4) {
  if (x === null || x === undefined || Number.isNaN(x)) return '–';
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞';
  if (x === 0) return '0';
  const size = Math.floor(Math.log10(Math.abs(x)));
  if (size >= -3 && size < Math.max(digits, 5)) {
    return Number(x.toPrecision(digits)).toString().replace('-', '−');
  }
  const [mantissa, exponent] = x.toExponential(digits - 1).split('e');
  const short = Number(mantissa).toString().replace('-', '−');
  const ten = `10${power(Number(exponent))}`;
  return short === '1' ? ten : `${short}·${ten}`;
}

/** A number of an error: two digits are all that matter. */
export function sayError(x) {
  return say(x, 2);
}

/** Words for a page: λ_W with a lowered W. */
export function rich(text) {
  return escape(text).replace(/_(\w)/g, '<sub>$1</sub>');
}

export function escape(text) {
  return String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
