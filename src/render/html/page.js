'use strict';
// Without this script the page shows the same; with it tables sort and filter, and plots answer.
const page = document.documentElement;
page.classList.add('script');
// A page from a file may have no memory.
const memory = (action) => { try { return action(window.localStorage); } catch { return null; } };
const isDark = () => window.matchMedia('(prefers-color-scheme: dark)').matches;
page.dataset.theme = memory((kept) => kept.getItem('theme')) || (isDark() ? 'dark' : 'light');

document.addEventListener('DOMContentLoaded', () => {
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  const theme = make('button', { type: 'button', className: 'theme' });
  const show = (name) => {
    page.dataset.theme = name;
    theme.textContent = name === 'dark' ? 'Light' : 'Dark';
    theme.setAttribute('aria-label', `${theme.textContent} theme`);
  };
  show(page.dataset.theme);
  theme.addEventListener('click', () => {
    show(page.dataset.theme === 'dark' ? 'light' : 'dark');
    memory((kept) => kept.setItem('theme', page.dataset.theme));
  });
  document.querySelector('.tools').append(theme);

  // The tip, above what it is about.
  const tip = document.getElementById('tip');
  const said = document.getElementById('said');
  let about = null;
  const place = () => {
    if (tip.hidden) return;
    const { width, height } = tip.getBoundingClientRect();
    const box = about.getBoundingClientRect();
    const left = Math.min(box.x + box.width / 2 + 10, window.innerWidth - width - 8);
    const above = box.y - height - 8;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 8 ? box.bottom + 10 : above}px`;
  };
  const tell = (text, element) => {
    about = element;
    tip.textContent = text;
    tip.hidden = false;
    place();
  };
  // Only what opened it may close it: what scrolls away under a pointer leaves it, too.
  const hush = (element) => { if (!element || element.contains(about)) tip.hidden = true; };
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hush(); });
  document.addEventListener('scroll', place, { capture: true, passive: true });

  // Tables.
  const few = 6;
  const many = 100; // The style sheet hides what is beyond.
  const regions = new Map();
  const order = new Intl.Collator('en', { numeric: true });
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
        const open = () => tell(meaning, cell);
        button.addEventListener('pointerenter', open);
        button.addEventListener('focus', open);
        button.addEventListener('pointerleave', () => hush(cell));
        button.addEventListener('blur', () => hush(cell));
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
    const region = table.parentElement;
    const showAll = () => region.classList.add('all');
    region.classList.toggle('all', rows.length <= many);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const count = make('span', { className: 'count' });
    const more = make('button', { type: 'button', className: 'more' }, 'Show all');
    const tally = (shown) => {
      const whole = ['all', 'filtered'].some((name) => region.classList.contains(name));
      more.hidden = whole || shown <= many;
      count.textContent = shown < rows.length || !more.hidden
        ? `${more.hidden ? shown : many} of ${rows.length} rows` : `${rows.length} rows`;
    };
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
      region.classList.toggle('filtered', words.length > 0);
      tally(shown);
    });
    more.addEventListener('click', () => { showAll(); tally(rows.length); });
    regions.set(table, () => { showAll(); filter.value = ''; filter.dispatchEvent(new Event('input')); });
    tally(rows.length);
    region.before(make('div', { className: 'filter' }, filter, count, more));
  }

  // What a link leads to may be filtered out, or beyond what is shown.
  const reveal = () => {
    const row = document.getElementById(window.location.hash.slice(1));
    const uncover = row && regions.get(row.closest('table'));
    if (!uncover || row.checkVisibility()) return;
    uncover();
    row.scrollIntoView();
  };
  window.addEventListener('hashchange', reveal);
  reveal();

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
    const pick = (mark) => {
      plot.querySelector('.picked')?.classList.remove('picked');
      if (!mark) { hush(plot); return; }
      mark.classList.add('picked');
      tell(mark.says, mark);
    };
    plot.addEventListener('pointermove', (event) => {
      let [best, nearest] = [event.target.says ? event.target : null, reach];
      for (const mark of best ? [] : read()) {
        if (!mark.classList.contains('dot')) continue;
        const box = mark.getBoundingClientRect();
        const distance = Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
        if (distance < nearest) [best, nearest] = [mark, distance];
      }
      pick(best);
    });
    plot.addEventListener('pointerenter', read);
    plot.addEventListener('pointerleave', () => pick());
    plot.addEventListener('blur', () => pick());
    plot.addEventListener('keydown', (event) => {
      const all = read();
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined || !all.length) return;
      event.preventDefault();
      at = (to + all.length) % all.length;
      all[at].scrollIntoView({ block: 'nearest', inline: 'nearest' });
      pick(all[at]);
      said.textContent = all[at].says;
    });
  }
});
