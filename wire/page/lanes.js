// In which column the lifeline of each connection is, and how it looks in a row.

import { isOver } from './connections.js';

export class Lanes {
  /** A connection in each column, or null where there is room. */
  #columns = [];
  most = 0;

  /** Begins with connections that are open already. */
  constructor(open = []) {
    for (const connection of open) this.#take(connection);
  }

  /**
   * How the lifelines look in the row of an event: `before` is how its connection
   * was before it, `after` how it is then. Of other connections nothing changes.
   */
  step(before, after) {
    let column = this.#columnOf(before.number);
    const isNew = column === -1;
    if (isNew) column = this.#take(before);
    const lines = this.now().map((line) => {
      if (line.column !== column) return line;
      const above = before.hasBegun ? look(before) : null;
      const below = isOver(after) ? null : look(after);
      return { ...line, above, below, isNew };
    });
    this.#columns[column] = isOver(after) ? null : after;
    return { column, lines };
  }

  /** The lifelines between two events. */
  now() {
    const lines = [];
    this.#columns.forEach((connection, column) => {
      if (!connection) return;
      const same = look(connection);
      lines.push({ column, connection: connection.number, above: same, below: same });
    });
    return lines;
  }

  #columnOf(number) {
    return this.#columns.findIndex((connection) => connection?.number === number);
  }

  // The first column that is free: lanes that are over leave their room to others.
  #take(connection) {
    const free = this.#columns.indexOf(null);
    const column = free === -1 ? this.#columns.length : free;
    this.#columns[column] = connection;
    this.most = Math.max(this.most, this.#columns.length);
    return column;
  }
}

function look(connection) {
  const half = connection.clientEnded || connection.serverEnded ? '-half' : '';
  return (connection.isSocket ? 'socket' : 'http') + half;
}

/**
 * The lifelines as layers of a CSS background: that costs a row no element,
 * however many lanes there are. page.css says how each look looks.
 */
export function layers(lines) {
  if (lines.length === 0) return 'none';
  return lines.flatMap(({ column, above, below }) => {
    if (above === below) return [layer(column, above, '0px', '100%')];
    const upper = above ? [layer(column, above, '0px', 'var(--joint)')] : [];
    const lower = below ? [layer(column, below, 'var(--joint)', '100%')] : [];
    return [...upper, ...lower];
  }).join(', ');
}

function layer(column, name, top, height) {
  const width = name.startsWith('socket') ? 'var(--socket-width)' : 'var(--http-width)';
  const left = `calc(var(--time) + ${column + 0.5} * var(--lane) - ${width} / 2)`;
  return `var(--${name}-line) ${left} ${top} / ${width} ${height} no-repeat`;
}
