import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.pusher.client.Pusher;
import com.pusher.client.PusherOptions;
import com.pusher.client.channel.Channel;
import com.pusher.client.channel.ChannelEventListener;
import com.pusher.client.channel.PresenceChannelEventListener;
import com.pusher.client.channel.PrivateEncryptedChannelEventListener;
import com.pusher.client.channel.PusherEvent;
import com.pusher.client.channel.User;
import com.pusher.client.connection.ConnectionEventListener;
import com.pusher.client.connection.ConnectionState;
import com.pusher.client.connection.ConnectionStateChange;
import com.pusher.client.util.HttpChannelAuthorizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Stock clients of Pusher for Java, driven by lines of JSON: commands come on standard input, and what clients see goes
 * to standard output, in the words of driver.mjs. It ends with its input.
 */
public final class Driver {
    private static final Gson GSON = new Gson();
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final Map<String, Pusher> CLIENTS = new HashMap<>();

    public static void main(String[] arguments) throws IOException {
        tell("ready", true);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            obey(JsonParser.parseString(line).getAsJsonObject());
        }
        System.exit(0); // Clients have threads of their own.
    }

    private static void obey(JsonObject command) {
        String client = command.get("client").getAsString();
        String verb = command.get("do").getAsString();
        switch (verb) {
            case "connect" -> connect(client, command.get("key").getAsString(), command.getAsJsonObject("options"));
            case "subscribe" -> subscribe(client, command.get("channel").getAsString());
            case "unsubscribe" -> CLIENTS.get(client).unsubscribe(command.get("channel").getAsString());
            default -> throw new IllegalArgumentException(verb);
        }
    }

    /** Connect as pusher-js's options say; those of connection and channelAuthorization are known here. */
    private static void connect(String client, String key, JsonObject options) {
        JsonObject authorization = options.getAsJsonObject("channelAuthorization");
        HttpChannelAuthorizer authorizer = new HttpChannelAuthorizer(authorization.get("endpoint").getAsString());
        Map<String, String> headers = new HashMap<>();
        for (Map.Entry<String, JsonElement> header : authorization.getAsJsonObject("headers").entrySet()) {
            headers.put(header.getKey(), header.getValue().getAsString());
        }
        authorizer.setHeaders(headers);
        PusherOptions made = new PusherOptions()
                .setHost(options.get("wsHost").getAsString())
                .setWsPort(options.get("wsPort").getAsInt())
                .setUseTLS(false)
                .setChannelAuthorizer(authorizer);
        Pusher pusher = new Pusher(key, made);
        CLIENTS.put(client, pusher);
        pusher.connect(new Watcher(client), ConnectionState.ALL);
    }

    private static void subscribe(String client, String name) {
        Listener listener = new Listener(client);
        Pusher pusher = CLIENTS.get(client);
        Channel channel;
        if (name.startsWith("private-encrypted-")) {
            channel = pusher.subscribePrivateEncrypted(name, listener);
        } else if (name.startsWith("private-")) {
            channel = pusher.subscribePrivate(name, listener);
        } else if (name.startsWith("presence-")) {
            channel = pusher.subscribePresence(name, listener);
        } else {
            channel = pusher.subscribe(name, (ChannelEventListener) listener);
        }
        channel.bindGlobal(listener);
    }

    /** Write a line: names and values in turn. */
    private static synchronized void tell(Object... words) {
        Map<String, Object> line = new HashMap<>();
        for (int at = 0; at < words.length; at += 2) {
            line.put((String) words[at], words[at + 1]);
        }
        OUT.println(GSON.toJson(line));
    }

    private static Object plain(String data) {
        try {
            return JsonParser.parseString(data);
        } catch (RuntimeException error) {
            return data;
        }
    }

    /** What becomes of a client's connection. */
    private record Watcher(String client) implements ConnectionEventListener {
        @Override
        public void onConnectionStateChange(ConnectionStateChange change) {
            String state = change.getCurrentState().name().toLowerCase();
            tell("client", client, "state", state, "socket_id", CLIENTS.get(client).getConnection().getSocketId());
        }

        @Override
        public void onError(String message, String code, Exception error) {
            tell("client", client, "error", String.valueOf(message), "code", String.valueOf(code));
        }
    }

    /** What a client hears of a channel. */
    private record Listener(String client)
            implements PresenceChannelEventListener, PrivateEncryptedChannelEventListener {
        @Override
        public void onSubscriptionSucceeded(String channel) {
            tell("client", client, "channel", channel, "event", "pusher:subscription_succeeded", "data", Map.of());
        }

        @Override
        public void onAuthenticationFailure(String message, Exception error) {
            tell("client", client, "refused", message);
        }

        @Override
        public void onDecryptionFailure(String event, String reason) {
            tell("client", client, "event", event, "undecrypted", reason);
        }

        @Override
        public void onEvent(PusherEvent event) {
            tell("client", client, "channel", event.getChannelName(), "event", event.getEventName(),
                    "data", plain(event.getData()));
        }

        @Override
        public void onUsersInformationReceived(String channel, Set<User> users) {
            Object[] members = users.stream().map(User::getId).sorted().toArray();
            tell("client", client, "channel", channel, "event", "pusher:members", "data", members);
        }

        @Override
        public void userSubscribed(String channel, User user) {
            tell("client", client, "channel", channel, "event", "pusher:member_added", "data", user.getId());
        }

        @Override
        public void userUnsubscribed(String channel, User user) {
            tell("client", client, "channel", channel, "event", "pusher:member_removed", "data", user.getId());
        }
    }
}
