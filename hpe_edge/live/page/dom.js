// Changes to the document, only where something differs, to avoid a new layout; and numbers in words.

export const element = (id) => document.getElementById(id);

export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
}

export function setHidden(target, hidden) {
  if (target.hidden !== hidden) target.hidden = hidden;
}

// tag: name of the element; parts: its children, elements or strings.
export function make(tag, attributes = {}, ...parts) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...parts);
  return made;
}

export function degrees(value) {
  if (value === null) return "–";
  const text = Math.abs(value).toFixed(1);
  return `${Number(text) === 0 ? "" : value < 0 ? "−" : "+"}${text}°`;
}

// 0:07, 12:34, 1:02:03
export function clock(time_s) {
  const whole = Math.floor(time_s);
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

// The colour of the picture, within the range of lightness that is visible on the page.
export function lineColor(color) {
  const style = getComputedStyle(document.documentElement);
  const [darkest, lightest] = ["--darkest", "--lightest"].map((name) => style.getPropertyValue(name));
  return `oklch(from ${color} clamp(${darkest}, l, ${lightest}) c h)`;
}

export function setIdentity(target, color) {
  target.style.setProperty("--identity", `oklch(from ${color} clamp(var(--darkest), l, var(--lightest)) c h)`);
}
