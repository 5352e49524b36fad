// Swagger UI's own initialiser is an inline script, which the page's policy forbids.
window.SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true });
