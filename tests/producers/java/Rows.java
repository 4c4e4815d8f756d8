import io.debezium.data.Envelope;
import io.debezium.time.ZonedTimestamp;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/** Changes of a table of PostgreSQL, as Debezium's connector makes them. */
final class Rows {
    private static final String TOPIC = "shop.public.orders";
    private static final Schema KEY =
            SchemaBuilder.struct().name(TOPIC + ".Key").field("id", Schema.INT32_SCHEMA).build();
    private static final Schema ROW = SchemaBuilder.struct()
            .name(TOPIC + ".Value")
            .optional()
            .field("id", Schema.INT32_SCHEMA)
            .field("user_id", Schema.OPTIONAL_STRING_SCHEMA)
            .field("total", Decimal.builder(2).optional().build())
            .field("created_at", ZonedTimestamp.builder().optional().build())
            .build();
    private static final Schema SOURCE = Sources.schema("postgresql")
            .field("schema", Schema.STRING_SCHEMA)
            .field("table", Schema.STRING_SCHEMA)
            .field("txId", Schema.OPTIONAL_INT64_SCHEMA)
            .field("lsn", Schema.OPTIONAL_INT64_SCHEMA)
            .field("xmin", Schema.OPTIONAL_INT64_SCHEMA)
            .build();
    private static final Envelope ENVELOPE = Envelope.defineSchema()
            .withName(TOPIC + ".Envelope")
            .withRecord(ROW)
            .withSource(SOURCE)
            .build();

    static Map<String, SourceRecord> records(Instant now) {
        Struct source = Sources.source(SOURCE, "postgresql", now)
                .put("schema", "public")
                .put("table", "orders")
                .put("txId", 555L)
                .put("lsn", 24023128L);
        Struct old = row("12.50");
        // Without REPLICA IDENTITY FULL, PostgreSQL tells the key alone of what it deletes.
        Struct keyOnly = new Struct(ROW).put("id", 1);
        Map<String, SourceRecord> records = new LinkedHashMap<>();
        records.put("row created", record(ENVELOPE.create(row("12.50"), source, now)));
        records.put("row updated", record(ENVELOPE.update(old, row("99.00"), source, now)));
        records.put("row deleted", record(ENVELOPE.delete(old, source, now)));
        records.put("row deleted by key", record(ENVELOPE.delete(keyOnly, source, now)));
        records.put("row read", record(ENVELOPE.read(row("12.50"), source, now)));
        records.put("table truncated", record(ENVELOPE.truncate(source, now)));
        records.put("row buried", new SourceRecord(Map.of(), Map.of(), TOPIC, 0, KEY, key(), null, null));
        return records;
    }

    private static SourceRecord record(Struct value) {
        return new SourceRecord(Map.of(), Map.of(), TOPIC, 0, KEY, key(), ENVELOPE.schema(), value);
    }

    private static Struct key() {
        return new Struct(KEY).put("id", 1);
    }

    private static Struct row(String total) {
        return new Struct(ROW)
                .put("id", 1)
                .put("user_id", "auth0|Zoë")
                .put("total", new BigDecimal(total))
                .put("created_at", "2026-01-31T10:00:00Z");
    }

    private Rows() {}
}
