// Starts the API reference; the document's address is given by the page.
const holder = document.getElementById("swagger-ui");
window.SwaggerUIBundle({
  url: holder.dataset.document,
  domNode: holder,
  deepLinking: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
});
