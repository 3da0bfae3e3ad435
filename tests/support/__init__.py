"""What tests share: tables, models, servers, and roots that were mined."""
