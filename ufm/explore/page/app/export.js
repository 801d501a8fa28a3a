// Files of figures, and words for the clipboard.

/** A figure's SVG as the bytes of a PNG, three pixels a point. */
export async function toPng(svg, scale = 3) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth * scale;
  canvas.height = image.naturalHeight * scale;
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, 'image/png'));
}

/** Offer text or bytes as a file. */
export function saved(name, content) {
  const blob = content instanceof Blob ? content : new Blob([content], { type: 'text/plain;charset=utf-8' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Words to the clipboard; where that is not allowed, they are selected to be copied by hand. */
export async function copied(words, says, what) {
  try {
    await navigator.clipboard.writeText(words);
    says.textContent = `The ${what} is copied.`;
  } catch {
    const place = document.getElementById('command');
    if (what === 'link') place.textContent = words;
    getSelection().selectAllChildren(place);
    says.textContent = `The ${what} is selected: copy it by hand.`;
  }
}
