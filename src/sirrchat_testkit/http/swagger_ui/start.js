SwaggerUIBundle({ url: "openapi.json", dom_id: "#page", deepLinking: true, docExpansion: "list", validatorUrl: null });
