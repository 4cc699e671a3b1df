"use strict";

// Draws the API reference. Requests tried out from a signed-in browser carry the CSRF token, as every page's do.
(() => {
  const place = document.getElementById("reference");

  const csrfToken = () => {
    const cookie = document.cookie.split("; ").find((each) => each.startsWith("csrftoken="));
    return cookie ? decodeURIComponent(cookie.slice("csrftoken=".length)) : "";
  };

  window.SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    requestInterceptor: (request) => {
      request.headers["X-CSRFToken"] = csrfToken();
      return request;
    },
  });
})();
