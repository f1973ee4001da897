// Which mark is under the mouse: marks are filed by square, so that a look-up never goes over all of them.

const SQUARE = 12;

/** An index over pixels; rows whose place is NaN are left out. */
export class Grid {
  private readonly starts: Int32Array;
  private readonly rows: Int32Array;
  private readonly across: number;
  private readonly down: number;

  constructor(
    private readonly xs: ArrayLike<number>,
    private readonly ys: ArrayLike<number>,
    width: number,
    height: number,
  ) {
    this.across = Math.max(1, Math.ceil(width / SQUARE));
    this.down = Math.max(1, Math.ceil(height / SQUARE));
    const n = xs.length;
    const squares = new Int32Array(n);
    this.starts = new Int32Array(this.across * this.down + 1);
    for (let i = 0; i < n; i++) {
      squares[i] = this.square(xs[i], ys[i]);
      if (squares[i] >= 0) this.starts[squares[i] + 1]++;
    }
    for (let s = 0; s < this.across * this.down; s++) this.starts[s + 1] += this.starts[s];
    const next = this.starts.slice();
    this.rows = new Int32Array(next[next.length - 1]);
    for (let i = 0; i < n; i++) if (squares[i] >= 0) this.rows[next[squares[i]]++] = i;
  }

  private square(x: number, y: number): number {
    const [column, row] = [Math.floor(x / SQUARE), Math.floor(y / SQUARE)];
    return column >= 0 && row >= 0 && column < this.across && row < this.down ? row * this.across + column : -1;
  }

  /** The nearest row within `reach` pixels that `takes` lets through; of equally near ones the last. */
  nearest(x: number, y: number, reach = 10, takes: (row: number) => boolean = () => true): number {
    let [found, best] = [-1, reach * reach];
    for (let row = Math.floor((y - reach) / SQUARE); row <= Math.floor((y + reach) / SQUARE); row++)
      for (let column = Math.floor((x - reach) / SQUARE); column <= Math.floor((x + reach) / SQUARE); column++) {
        if (row < 0 || column < 0 || row >= this.down || column >= this.across) continue;
        const s = row * this.across + column;
        for (let k = this.starts[s]; k < this.starts[s + 1]; k++) {
          const i = this.rows[k];
          const far = (this.xs[i] - x) ** 2 + (this.ys[i] - y) ** 2;
          if (far <= best && takes(i)) [found, best] = [i, far];
        }
      }
    return found;
  }
}
