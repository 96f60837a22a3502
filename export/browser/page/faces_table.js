// The table of faces.

/**
 * @param {HTMLTableElement} table
 * @param {import("../js/engine.js").FacePose[]} poses
 */
export function showFaces(table, poses) {
  const rows = poses.map(({ angles, sigma, doubtful }, i) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = `${i + 1}${doubtful ? " ?" : ""}`;
    if (doubtful) name.title = "doubtful: the box probably holds no face, or one that the model cannot judge";
    row.append(name, ...angles.map((angle, k) => cell(angle, sigma[k])));
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
  table.hidden = rows.length === 0;
}

function cell(angle, sigma) {
  const made = document.createElement("td");
  made.textContent = Number.isFinite(angle) ? `${degrees(angle)} ` : "–";
  made.dataset.deg = String(angle);
  if (Number.isFinite(sigma)) {
    const spread = document.createElement("small");
    spread.textContent = `± ${sigma.toFixed(1)}°`;
    made.append(spread);
  }
  return made;
}

function degrees(value) {
  const text = Math.abs(value).toFixed(1);
  return `${Number(text) === 0 ? "" : value < 0 ? "−" : "+"}${text}°`;
}
