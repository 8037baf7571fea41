// Medians and tables.

/** Median of a list of numbers. */
export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Prints rows of cells, the first left-aligned and the others right-aligned. */
export function table(head, rows) {
    const text = [head, ...rows.map((row) => row.map((cell) => typeof cell === 'number' ? cell.toFixed(1) : String(cell)))];
    const widths = head.map((_, column) => Math.max(...text.map((row) => row[column].length)));
    for (const row of text) console.log(row.map((cell, i) => i ? cell.padStart(widths[i]) : cell.padEnd(widths[i])).join('  '));
}
