// The address as pages change and follow it; see address.py.
let written = null;  // the query that a page wrote last

function goTo(search, replace) {
  written = search;
  if (location.search === search) return;
  const whole = location.pathname + search + location.hash;
  if (replace) history.replaceState(null, "", whole);
  else history.pushState(null, "", whole);
  dispatchEvent(new CustomEvent("_dashprivate_pushstate"));  // as Dash's own links tell it
}

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  address: {
    go: function (told) {
      const here = location.pathname === "/" ? "/evolution" : location.pathname;
      if (told && told.path === here) goTo(told.search, told.replace);
      return window.dash_clientside.no_update;
    },
    follow: function (search) {
      if (search === written) return window.dash_clientside.no_update;
      written = null;
      return search;
    },
  },
});
