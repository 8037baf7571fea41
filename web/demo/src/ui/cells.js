/** Where a key leads on a grid of `count` cells in rows of `columns`; undefined if it is no such key. */
export function moveCell(key, cell, columns, count) {
  const row = Math.floor(cell / columns);
  const to = { ArrowLeft: cell - 1, ArrowRight: cell + 1, ArrowUp: cell - columns, ArrowDown: cell + columns,
    Home: row * columns, End: Math.min(count, (row + 1) * columns) - 1, PageUp: cell % columns, PageDown: count - columns + (cell % columns) }[key];
  return to === undefined ? undefined : to >= 0 && to < count ? to : cell;
}
