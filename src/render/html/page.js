'use strict';
// Without this script the page shows the same; with it tables sort and filter, and plots answer.
(() => {
  const page = document.documentElement;
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // Theme: the system's, unless the reader chose one; a page from a file may have no memory.
  const wide = window.matchMedia('(prefers-color-scheme: dark)');
  const memory = (action) => { try { return action(window.localStorage); } catch { return null; } };
  const theme = make('button', { type: 'button', className: 'theme' });
  const show = (name) => {
    page.dataset.theme = name;
    theme.textContent = name === 'dark' ? 'Light' : 'Dark';
    theme.setAttribute('aria-label', `Switch to the ${theme.textContent.toLowerCase()} theme`);
  };
  show(memory((kept) => kept.getItem('theme')) || (wide.matches ? 'dark' : 'light'));
  theme.addEventListener('click', () => {
    show(page.dataset.theme === 'dark' ? 'light' : 'dark');
    memory((kept) => kept.setItem('theme', page.dataset.theme));
  });
  document.querySelector('.tools').append(theme);

  // The tip.
  const tip = document.getElementById('tip');
  const said = document.getElementById('said');
  const place = (x, y) => {
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(x + 14, window.innerWidth - width - 8));
    const above = y - height - 12;
    tip.style.left = `${left}px`;
    tip.style.top = `${above < 8 ? y + 18 : above}px`;
  };
  const tell = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    place(x, y);
  };
  const hush = () => { tip.hidden = true; };
  const centre = (element) => {
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hush(); });
  document.addEventListener('scroll', hush, { capture: true, passive: true });

  // Tables.
  const few = 6;
  for (const table of document.querySelectorAll('table')) {
    const [head] = table.tHead.rows;
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const sorts = [...head.cells].map((cell, column) => {
      const button = make('button', { type: 'button' }, cell.textContent);
      const meaning = cell.title;
      cell.removeAttribute('title');
      if (meaning) {
        cell.classList.add('told');
        button.setAttribute('aria-description', meaning);
        const open = () => {
          const box = cell.getBoundingClientRect();
          tell(meaning, box.x, box.y);
        };
        button.addEventListener('pointerenter', open);
        button.addEventListener('focus', open);
        button.addEventListener('pointerleave', hush);
        button.addEventListener('blur', hush);
      }
      cell.replaceChildren(button);
      button.addEventListener('click', () => {
        const before = cell.getAttribute('aria-sort');
        const descending = before ? before === 'ascending' : cell.classList.contains('num');
        sorts.forEach((other) => other.removeAttribute('aria-sort'));
        cell.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
        const key = (row) => {
          const { dataset, textContent } = row.cells[column];
          return dataset.v === undefined ? textContent : Number(dataset.v);
        };
        const order = new Intl.Collator('en', { numeric: true });
        // What has no number stays below those that have one, whichever way they go.
        const sorted = rows.map((row) => [key(row), row]).sort(([a], [b]) => {
          if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
          const by = typeof a === 'number' ? a - b : order.compare(a, b);
          return descending ? -by : by;
        });
        body.append(...sorted.map(([, row]) => row));
      });
      return cell;
    });
    if (rows.length <= few) continue;
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const count = make('span', { className: 'count' }, `${rows.length} rows`);
    const filter = make('input', { type: 'search', placeholder: 'Filter rows', spellcheck: false });
    filter.setAttribute('aria-label', `Filter rows of ${table.caption.textContent}`);
    count.setAttribute('role', 'status');
    filter.addEventListener('input', () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        row.hidden = !words.every((word) => texts[at].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      count.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
    });
    table.parentElement.before(make('div', { className: 'filter' }, filter, count));
  }

  // What a link leads to may be filtered out.
  window.addEventListener('hashchange', () => {
    const row = document.getElementById(window.location.hash.slice(1));
    if (row) row.hidden = false;
  });

  // Plots: the nearest point under the pointer, or one after the other by the arrow keys.
  const reach = 28;
  for (const plot of document.querySelectorAll('svg.plot')) {
    let marks = null;
    let at = -1;
    const read = () => {
      marks ??= [...plot.querySelectorAll('title')].map((title) => {
        const mark = title.parentElement;
        mark.says = title.textContent;
        title.remove();
        return mark;
      });
      return marks;
    };
    const pick = (mark, x, y) => {
      plot.querySelector('.picked')?.classList.remove('picked');
      if (!mark) { hush(); return; }
      mark.classList.add('picked');
      tell(mark.says, x, y);
    };
    plot.addEventListener('pointermove', (event) => {
      const under = event.target.says ? event.target : null;
      let [best, nearest] = [under, under ? 0 : reach];
      if (!under) {
        for (const mark of read()) {
          if (!mark.classList.contains('dot')) continue;
          const [x, y] = centre(mark);
          const distance = Math.hypot(x - event.clientX, y - event.clientY);
          if (distance < nearest) [best, nearest] = [mark, distance];
        }
      }
      pick(best, event.clientX, event.clientY);
    });
    plot.addEventListener('pointerenter', read);
    plot.addEventListener('pointerleave', () => pick(null));
    plot.addEventListener('blur', () => pick(null));
    plot.addEventListener('keydown', (event) => {
      const all = read();
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined || !all.length) return;
      event.preventDefault();
      at = (to + all.length) % all.length;
      pick(all[at], ...centre(all[at]));
      said.textContent = all[at].says;
    });
  }
})();
