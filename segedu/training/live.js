// Draws the learning curve: loss on the left, mean IoU on the right. Points come a few at a time.
const BLUE = "#0072b2", ORANGE = "#d55e00", WIDTH = 460, HEIGHT = 180, EDGE = 36;

export default () => { // once for each curve; it may be shown in several places
  const curve = new Map(), places = new Set(); // step → [loss, mIoU, validation mIoU]; what draws it
  let said = "";
  const take = (points) => {
    points.forEach(([step, ...values]) => curve.set(step, values));
    places.forEach((draw) => draw());
  };
  return {
    initialize({ model }) {
      take(model.get("points"));
      model.on("change:points", () => take(model.get("points")));
      model.on("msg:custom", (message) => {
        said = message.text;
        take(message.points);
      });
    },
    render({ model, el }) {
      const draw = drawer(el, () => [curve, model.get("last"), said]);
      places.add(draw);
      draw();
      return () => places.delete(draw);
    },
  };
};

// Makes a canvas and a line of text in `el`; what it returns asks for them to be drawn anew, at the page's own pace.
function drawer(el, state) {
  const canvas = document.createElement("canvas"), line = document.createElement("div");
  const scale = window.devicePixelRatio || 1;
  canvas.width = 2 * WIDTH * scale;
  canvas.height = HEIGHT * scale;
  canvas.style.cssText = `width:${2 * WIDTH}px;max-width:100%`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "learning curve: loss and mean IoU of every step so far");
  line.style.fontFamily = "monospace";
  el.append(canvas, line);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  let waiting = false;
  const draw = () => {
    waiting = false;
    pen.clearRect(0, 0, 2 * WIDTH, HEIGHT);
    pen.fillStyle = getComputedStyle(el).color;
    const [curve, last, said] = state();
    const rows = [...curve].sort((a, b) => a[0] - b[0]);
    const values = (column, factor) =>
      rows.filter(([, row]) => row[column] != null).map(([step, row]) => [step, factor * row[column]]);
    panel(pen, 0, "loss", last, [[values(0, 1), BLUE]]);
    panel(pen, WIDTH, "mean IoU, % (orange: validation)", last, [[values(1, 100), BLUE], [values(2, 100), ORANGE]]);
    line.textContent = said;
  };
  return () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };
}

function panel(pen, left, title, last, curves) {
  const highest = Math.max(1e-9, ...curves.flatMap(([points]) => points.map(([, value]) => value)));
  const x = (step) => left + EDGE + ((WIDTH - EDGE - 10) * step) / Math.max(1, last);
  const y = (value) => HEIGHT - 22 - ((HEIGHT - 44) * value) / highest;
  pen.font = "12px sans-serif";
  pen.fillText(title, left + EDGE, 14);
  pen.fillText(highest >= 10 ? highest.toFixed(0) : highest.toPrecision(2), left, y(highest) + 4);
  pen.fillText("0", left + EDGE - 14, y(0) + 4);
  pen.fillText(`step ${last}`, x(last) - 60, HEIGHT - 4);
  pen.strokeStyle = "#999999";
  pen.strokeRect(left + EDGE, y(highest), WIDTH - EDGE - 10, y(0) - y(highest));
  for (const [points, colour] of curves) {
    pen.strokeStyle = colour;
    pen.beginPath();
    points.forEach(([step, value]) => pen.lineTo(x(step), y(value)));
    pen.stroke();
    if (colour === ORANGE) points.forEach(([step, value]) => dot(pen, x(step), y(value), colour));
  }
}

function dot(pen, x, y, colour) {
  const before = pen.fillStyle;
  pen.fillStyle = colour;
  pen.fillRect(x - 3, y - 3, 6, 6);
  pen.fillStyle = before;
}
