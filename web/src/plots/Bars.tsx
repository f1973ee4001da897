// Horizontal bars with intervals, in words and widths: importance, counts, shares.
import { number, visible } from "../format.js";

export interface Bar {
  label: string;
  value: number;
  low?: number;
  high?: number;
  /** Beside the figure, such as "on 120 trials". */
  note?: string;
  onClick?: () => void;
}

export interface BarsProps {
  bars: readonly Bar[];
  summary: string;
  /** The value of a whole width; by default the greatest value. */
  full?: number;
  format?: (value: number) => string;
}

export function Bars({ bars, summary, full, format = number }: BarsProps) {
  const whole = full ?? Math.max(1e-300, ...bars.map((b) => Math.max(b.value, b.high ?? 0)));
  const width = (share: number) => `${Math.min(100, Math.max(0, (100 * share) / whole))}%`;
  return (
    <ol class="bars" aria-label={summary}>
      {bars.map(({ label, value, low, high, note, onClick }) => (
        <li key={label}>
          {onClick ? (
            <button type="button" class="link bar-name" title={visible(label)} onClick={onClick}>
              {visible(label)}
            </button>
          ) : (
            <span class="bar-name" title={visible(label)}>
              {visible(label)}
            </span>
          )}
          <span class="bar-track" aria-hidden="true">
            <span class="bar-fill" style={{ width: width(value) }} />
            {low !== undefined && high !== undefined && (
              <span class="bar-range" style={{ left: width(low), width: width(high - low) }} />
            )}
          </span>
          <span
            class="bar-value"
            title={low !== undefined && high !== undefined ? `${format(low)} to ${format(high)}` : undefined}
          >
            {format(value)}
          </span>
          {note && <span class="bar-note">{note}</span>}
        </li>
      ))}
    </ol>
  );
}
