/** Draws prices: a line for a row, and a chart. */
export function sparkline(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, index) => `${index},${15 - (14 * (value - low)) / (high - low || 1)}`);
  return `<svg viewBox="0 0 ${Math.max(1, values.length - 1)} 16" preserveAspectRatio="none" aria-hidden="true"><polyline points="${points.join(' ')}"/></svg>`;
}

export function drawChart(canvas: HTMLCanvasElement, values: readonly number[]): void {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const style = getComputedStyle(canvas);
  const [width, height] = [canvas.clientWidth * devicePixelRatio, canvas.clientHeight * devicePixelRatio];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.clearRect(0, 0, width, height);
  if (values.length < 2) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  context.beginPath();
  for (const [index, value] of values.entries())
    context.lineTo((index * width) / (values.length - 1), height * (0.95 - (0.9 * (value - low)) / (high - low || 1)));
  context.lineWidth = 2 * devicePixelRatio;
  context.strokeStyle = style.color;
  context.stroke();
  context.font = `${12 * devicePixelRatio}px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.fillText(high.toFixed(2), 4, 14 * devicePixelRatio);
  context.fillText(low.toFixed(2), 4, height - 6);
}
