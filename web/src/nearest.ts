// Which known name was meant by one that there is not.

/** The nearest name by letters that are changed, left out, put in or swapped; null where none is near. */
export function nearest(text: string, names: Iterable<string>): string | null {
  const plain = text.toLowerCase();
  let [found, least]: [string | null, number] = [null, Math.max(1, text.length / 3) + 0.5];
  for (const name of names) {
    const far = Math.abs(name.length - text.length) >= least ? Infinity : distance(plain, name.toLowerCase());
    if (far < least) [found, least] = [name, far];
  }
  return found;
}

function distance(a: string, b: string): number {
  let [before, row]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
}
