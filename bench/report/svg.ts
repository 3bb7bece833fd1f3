/** Small charts as SVG: the same text for the same figures, legible on light and dark pages. */

/** A card of its own colour: a page may be dark where the system is light. */
const style = `
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .panel { font-weight: 600 }
  .note { fill: #57606a; font-size: 12px }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .other { fill: #9aa4b0 }
  .ours { fill: #0969da }
  .value-ours { font-weight: 600 }
  .s0 { stroke: #0969da; fill: #0969da } .s1 { stroke: #57606a; fill: #57606a } .s2 { stroke: #bc4c00; fill: #bc4c00 }
  .s3 { stroke: #8250df; fill: #8250df } .s4 { stroke: #1a7f37; fill: #1a7f37 } .s5 { stroke: #bf3989; fill: #bf3989 }
  .s6 { stroke: #9a6700; fill: #9a6700 } .s7 { stroke: #1b7c83; fill: #1b7c83 }
  .line { fill: none; stroke-width: 2 } .thick { stroke-width: 3.5 }
  .name { stroke: none; font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .card { fill: #161b22; stroke: #30363d }
    text { fill: #e6edf3 }
    .note { fill: #9da7b3 }
    .grid { stroke: #30363d }
    .other { fill: #6e7681 }
    .ours { fill: #4493f8 }
    .s0 { stroke: #4493f8; fill: #4493f8 } .s1 { stroke: #9da7b3; fill: #9da7b3 } .s2 { stroke: #f0883e; fill: #f0883e }
    .s3 { stroke: #ab7df8; fill: #ab7df8 } .s4 { stroke: #3fb950; fill: #3fb950 } .s5 { stroke: #db61a2; fill: #db61a2 }
    .s6 { stroke: #d29922; fill: #d29922 } .s7 { stroke: #39c5cf; fill: #39c5cf }
    .line { fill: none }
    .name { stroke: none }
  }`;

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What is written behind it. */
  readonly text: string;
  readonly ours: boolean;
}

export interface BarPanel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const width = 820;
const margin = 20;

/** Panels of horizontal bars side by side; all have the same labels, written once. */
export function barChart(title: string, note: string, panels: readonly BarPanel[]): string {
  const labels = panels[0]?.bars.map(({ label }) => label) ?? [];
  const labelWidth = 16 + 6.6 * Math.max(...labels.map(({ length }) => length));
  const panelWidth = (width - 2 * margin - labelWidth) / panels.length;
  const top = 86;
  const step = 26;
  const height = top + step * labels.length + 14;
  const parts = labels.map((label, row) =>
    text(margin, top + row * step + 15, label, panels[0]?.bars[row]?.ours ? 'value-ours' : ''),
  );
  for (const [index, panel] of panels.entries()) {
    const left = margin + labelWidth + index * panelWidth;
    const most = Math.max(...panel.bars.map(({ value }) => value));
    // Room for the figure behind the longest bar.
    const scale = (panelWidth - 66) / most;
    parts.push(text(left, top - 14, panel.title, 'panel'));
    for (const [row, bar] of panel.bars.entries()) {
      const length = Math.max(1, bar.value * scale);
      const y = top + row * step;
      parts.push(
        `<rect class="${bar.ours ? 'ours' : 'other'}" x="${at(left)}" y="${at(y + 2)}" width="${at(length)}" height="18" rx="2"/>`,
        text(left + length + 6, y + 15, bar.text, bar.ours ? 'value-ours' : ''),
      );
    }
  }
  return card(title, note, height, parts);
}

export interface Series {
  readonly name: string;
  /** x and y, x ascending. */
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly ours: boolean;
}

export interface Axis {
  readonly title: string;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

/** Lines on logarithmic axes: a straight line of slope 1 is linear growth. */
export function lineChart(title: string, note: string, x: Axis, y: Axis, series: readonly Series[]): string {
  const [left, right, top, bottom] = [70, width - 232, 92, 372];
  const scale = (axis: Axis, from: number, to: number) => {
    const low = Math.log(axis.ticks[0]!.value);
    const high = Math.log(axis.ticks.at(-1)!.value);
    return (value: number): number => from + ((Math.log(value) - low) / (high - low)) * (to - from);
  };
  const toX = scale(x, left, right);
  const toY = scale(y, bottom, top);
  const parts: string[] = [text(left - 50, top - 14, y.title, 'note')];
  for (const { value, label } of y.ticks) {
    parts.push(`<line class="grid" x1="${at(left)}" y1="${at(toY(value))}" x2="${at(right)}" y2="${at(toY(value))}"/>`);
    parts.push(text(left - 8, toY(value) + 4, label, 'note', 'end'));
  }
  for (const { value, label } of x.ticks) parts.push(text(toX(value), bottom + 20, label, 'note', 'middle'));
  parts.push(text((left + right) / 2, bottom + 42, x.title, 'note', 'middle'));
  // Names beside the ends of their lines, moved apart where those are close.
  const ends = series
    .map(({ points }, index) => ({ index, y: toY(points.at(-1)![1]) }))
    .sort((a, b) => a.y - b.y || a.index - b.index);
  const minimal = 16;
  for (let n = 1; n < ends.length; n += 1) ends[n]!.y = Math.max(ends[n]!.y, ends[n - 1]!.y + minimal);
  const over = Math.max(0, (ends.at(-1)?.y ?? 0) - bottom);
  for (const [index, { name, points, ours }] of series.entries()) {
    const colour = `s${index % 8}`;
    const path = points.map(([px, py]) => `${at(toX(px))},${at(toY(py))}`).join(' ');
    parts.push(`<polyline class="line ${colour}${ours ? ' thick' : ''}" points="${path}" style="fill:none"/>`);
    for (const [px, py] of points) {
      parts.push(`<circle class="${colour}" cx="${at(toX(px))}" cy="${at(toY(py))}" r="${ours ? 4 : 3}"/>`);
    }
    const y = ends.find((end) => end.index === index)!.y - over;
    parts.push(text(right + 12, y + 4, name, `name ${colour}${ours ? ' value-ours' : ''}`));
  }
  return card(title, note, bottom + 60, parts);
}

function card(title: string, note: string, height: number, parts: readonly string[]): string {
  const size = `width="${width}" height="${at(height)}" viewBox="0 0 ${width} ${at(height)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escaped(title)}">
<style>${style}
</style>
<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${at(height - 1)}" rx="6"/>
${text(margin, 28, title, 'title')}
${text(margin, 48, note, 'note')}
${parts.join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, kind = '', anchor = ''): string {
  const attributes = `${kind === '' ? '' : ` class="${kind}"`}${anchor === '' ? '' : ` text-anchor="${anchor}"`}`;
  return `<text x="${at(x)}" y="${at(y)}"${attributes}>${escaped(content)}</text>`;
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
